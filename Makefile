# make demo    fresh machine to a finished, exported and verified pre-training
# make test    fresh machine to a finished test run
# make lint    ruff, mypy, docstring coverage
# make bench   benchmarks, as ratios against a peer in the same run
# make docs    the documentation site, in build/site
# make gallery   the pictures of docs/gallery.md, drawn again
# make kitti-infos   mmdet3d's info files for the labelled frames
# make setup   only the environment, .venv (python3.11, gcc and make are needed)

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

SIM := data/kitti_sim
RUN := work_dirs/pvrcnn_kitti_pretrain
# The main job made short enough for two CPU cores: 24 iterations on pairs of 4 simulated drives.
SHORT := train_dataloader.batch_size=2 train_dataloader.num_workers=1 train_cfg.max_epochs=1 \
    default_hooks.logger.interval=4

.PHONY: setup demo kitti-infos test lint format bench docs gallery clean

setup: $(READY)

# Everything is pinned in tools/environment; nothing happens while it stays as it is.
$(READY): tools/environment/requirements.txt tools/environment/install_mmcv.py setup.py
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is needed: install it, or name another by PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip 'setuptools<81' wheel
	@echo "== torch, mmengine, mmdet3d, spconv: about 2 minutes"
	$(BIN)/python -m pip install --quiet --progress-bar on -r tools/environment/requirements.txt
	@echo "== mmcv with ops: about 5 minutes the first time on a machine"
	$(BIN)/python tools/environment/install_mmcv.py
	$(BIN)/python -m pip install --quiet --no-build-isolation -e '.[probe,vis,sim,formats,dev]'
	$(BIN)/python -c 'import strl_mmdet3d; print("strl_mmdet3d", strl_mmdet3d.__version__, "is ready in $(VENV)")'
	@touch $@

demo: $(READY)
	$(BIN)/python tools/simulate_data.py kitti --out $(SIM) --jobs $(JOBS)
	$(BIN)/python tools/create_sequence_index.py kitti-raw --root $(SIM)/raw --out $(SIM)/raw/sequences.json
	$(BIN)/python tools/train.py configs/strl/pvrcnn_kitti_pretrain.py --work-dir $(RUN) --resume --cfg-options $(SHORT)
	$(BIN)/python tools/export_encoder.py $(RUN)/encoder.pth \
	    --verify configs/downstream/pvrcnn_kitti_from_strl.py
	@echo
	@echo "The pre-trained encoder is in $(RUN)/encoder.pth. Next:"
	@echo "  see what the model saw:  $(BIN)/python tools/browse_pairs.py configs/strl/pvrcnn_kitti_pretrain.py --out $(RUN)/pairs"
	@echo "  prepare labelled frames: make kitti-infos"
	@echo "  fine-tune PV-RCNN on it: $(BIN)/python tools/train.py configs/downstream/pvrcnn_kitti_from_strl.py"

# mmdet3d's own preparation of labelled frames, for the simulated ones; KITTI=DIR prepares the real data set.
KITTI ?= $(SIM)/object
kitti-infos: $(READY)
	mim=$$($(BIN)/python -c 'import importlib.util as u; print(u.find_spec("mmdet3d").submodule_search_locations[0])')/.mim; \
	PYTHONPATH=$$mim $(BIN)/python $$mim/tools/create_data.py kitti \
	    --root-path $(KITTI) --out-dir $(KITTI) --extra-tag kitti

# One process a core, each with one thread: two processes of two threads wait for each other most of the time.
JOBS ?= $(shell nproc)
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/interrogate strl_mmdet3d tools setup.py

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The peers are kept apart from what is tested. One that cannot be installed is a row that says so. The run is added to the
# result file, from which the tables of docs/performance.md are made.
RESULTS := docs/benchmarks.json
bench: $(READY)
	-$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/peers -r tools/environment/peers.txt
	$(BIN)/python tools/benchmark.py --out $(RESULTS)
	$(BIN)/python tools/benchmarks/page.py $(RESULTS) docs/performance.md

# The site's tools have an environment of their own, so that they change nothing in the tested one.
DOCS_VENV := .venv-docs
$(DOCS_VENV)/.ready: tools/environment/docs.txt
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet -r tools/environment/docs.txt
	@touch $@

docs: $(DOCS_VENV)/.ready
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --quiet -f docs/site/mkdocs.yml
	@echo "The site is in build/site: open build/site/index.html; for its search, serve it: python3 -m http.server --directory build/site"

gallery: $(READY)
	$(BIN)/python docs/site/draw_gallery.py --out docs/gallery

clean:
	rm -rf build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
