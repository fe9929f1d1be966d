"""A viewer of point clouds for a web page, which needs no network and no graphics card: some kB of JavaScript.

The points of each canvas are drawn with a depth buffer into its pixels. All canvases of a group turn together: the left
button or a finger turns, with shift it shifts, the wheel zooms, and a double click goes back. The point under the
pointer says where it is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from matplotlib import colormaps

from .figure_style import HEIGHT_MAP, RANGE, REGION, SENSOR

BY_HEIGHT = 255
"""The class of points that are coloured by their height."""

WIDTH, HEIGHT = 570, 400  # pixels
PITCH = 0.9  # radians: how far the view looks down at first
STEPS = 65535  # coordinates are stored as 16 bits
PALETTE = [[round(255 * part) for part in colormaps[HEIGHT_MAP](n / 63)[:3]] for n in range(64)]

REGION_COLOUR = REGION

STYLE = """<style>
.clouds { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26em), 1fr)); gap: 10px; }
.clouds { margin-bottom: 1em; }
.clouds figure { margin: 0; } .clouds figcaption { font-size: 0.85em; overflow-wrap: anywhere; }
.clouds canvas { border: 1px solid #ccc; cursor: move; touch-action: pan-y; width: 100%; box-sizing: border-box; }
.clouds output { display: block; min-height: 1.3em; font-size: 0.85em; font-variant-numeric: tabular-nums; }
.legend label { display: inline-block; margin-right: 1em; }
.legend i { display: inline-block; width: 0.8em; height: 0.8em; margin: 0 0.3em; }
.legend i.scale { width: 6em; } .legend i.range { border: 1px dashed #000; } .legend i.region { border-radius: 50%; }
</style>
"""

SCRIPT = """<script>
'use strict';
const START = {yaw: 0.5, pitch: START_PITCH, zoom: 1, x: 0, y: 0};
const views = {}, hidden = {}, clouds = [];
const decode = (text, Type) => new Type(Uint8Array.from(atob(text), sign => sign.charCodeAt(0)).buffer);

class Cloud {
  constructor(canvas) {
    Object.assign(this, JSON.parse(canvas.dataset.cloud));
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.image = this.context.createImageData(canvas.width, canvas.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.depth = new Float32Array(this.pixels.length);
    this.owners = new Int32Array(this.pixels.length);
    this.coords = decode(this.points, Uint16Array);
    this.kinds = decode(this.classes, Uint8Array);
    this.shades = this.palette.map(([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0);
    this.paints = this.colours.map(([r, g, b]) => (255 << 24 | b << 16 | g << 8 | r) >>> 0);
  }
  // Where a place is on the canvas: right, down, and towards the eye. Pitch 0 looks along the ground, 90 degrees down.
  project(x, y, z) {
    const {yaw, pitch, zoom} = views[this.group], {width, height} = this.canvas;
    const scale = zoom * Math.min(width, height) / (2 * this.radius);
    x -= this.centre[0]; y -= this.centre[1]; z -= this.centre[2];
    const across = Math.cos(yaw) * x - Math.sin(yaw) * y, along = Math.sin(yaw) * x + Math.cos(yaw) * y;
    return [width / 2 + views[this.group].x + scale * across,
      height / 2 + views[this.group].y - scale * (along * Math.sin(pitch) + z * Math.cos(pitch)),
      z * Math.sin(pitch) - along * Math.cos(pitch)];
  }
  draw() {
    const {width, height} = this.canvas, size = this.kinds.length < 5000 ? 3 : 2;
    this.pixels.fill(0xffffffff);
    this.depth.fill(-Infinity);
    this.owners.fill(-1);
    const unit = [0, 1, 2].map(axis => (this.high[axis] - this.low[axis]) / 65535);
    const origin = this.project(...this.low);
    const steps = unit.map((length, axis) => {
      const place = [...this.low];
      place[axis] += length;
      return this.project(...place).map((value, n) => value - origin[n]);
    });
    for (let n = 0, at = 0; n < this.kinds.length; n++, at += 3) {
      const kind = this.kinds[n];
      if (hidden[this.group].has(kind)) continue;
      const [a, b, c] = [this.coords[at], this.coords[at + 1], this.coords[at + 2]];
      const [column, row, near] = [0, 1, 2].map(k => origin[k] + a * steps[0][k] + b * steps[1][k] + c * steps[2][k]);
      const colour = kind < this.paints.length ? this.paints[kind] : this.shades[this.shade(this.low[2] + c * unit[2])];
      for (let j = row | 0; j < (row | 0) + size; j++) for (let i = column | 0; i < (column | 0) + size; i++) {
        if (i < 0 || j < 0 || i >= width || j >= height || this.depth[j * width + i] > near) continue;
        this.depth[j * width + i] = near;
        this.pixels[j * width + i] = colour;
        this.owners[j * width + i] = n;
      }
    }
    this.context.putImageData(this.image, 0, 0);
    this.lines();
    const {yaw, pitch, zoom} = views[this.group];
    this.canvas.dataset.view = [yaw, pitch, zoom].map(value => value.toFixed(3)).join(' ');
  }
  shade(z) {
    const share = (z - this.heights[0]) / (this.heights[1] - this.heights[0] || 1);
    return Math.max(0, Math.min(this.shades.length - 1, Math.floor(share * this.shades.length)));
  }
  // What the nearest point within some pixels of a place on the canvas is.
  about(column, row) {
    const {width, height} = this.canvas;
    let found = -1, closest = 50;
    for (let j = row - 6; j <= row + 6; j++) for (let i = column - 6; i <= column + 6; i++) {
      const away = (i - column) ** 2 + (j - row) ** 2;
      if (i < 0 || j < 0 || i >= width || j >= height || away >= closest || this.owners[j * width + i] < 0) continue;
      [found, closest] = [this.owners[j * width + i], away];
    }
    if (found < 0) return '';
    const place = [0, 1, 2].map(k => this.low[k] + this.coords[3 * found + k] * (this.high[k] - this.low[k]) / 65535);
    const words = this.names[this.kinds[found]];
    return place.map((value, k) => 'xyz'[k] + ' ' + value.toFixed(2)).join(', ') + ' ' + this.unit +
      (words ? ': ' + words : '');
  }
  // The range, the sensor and the regions lie on top.
  lines() {
    const context = this.context;
    if (this.box) {
      context.strokeStyle = 'RANGE_COLOUR'; context.lineWidth = 1; context.setLineDash([6, 4]);
      const corner = n => this.project(this.box[n & 1 ? 3 : 0], this.box[n & 2 ? 4 : 1], this.box[n & 4 ? 5 : 2]);
      for (let n = 0; n < 8; n++) for (const other of [1, 2, 4]) if (!(n & other)) {
        context.beginPath(); context.moveTo(...corner(n).slice(0, 2));
        context.lineTo(...corner(n | other).slice(0, 2)); context.stroke();
      }
      context.setLineDash([]);
    }
    const [x, y] = this.project(...(this.sensor ?? [0, 0, 0]));
    for (const [colour, thick] of this.sensor ? [['#fff', 5], ['SENSOR_COLOUR', 2]] : []) {
      context.strokeStyle = colour; context.lineWidth = thick;
      context.beginPath(); context.moveTo(x - 8, y); context.lineTo(x + 8, y);
      context.moveTo(x, y - 8); context.lineTo(x, y + 8); context.stroke();
    }
    context.strokeStyle = '#fff'; context.fillStyle = 'REGION_COLOUR'; context.lineWidth = 1;
    for (const place of this.regions) {
      const [column, row] = this.project(...place);
      context.beginPath(); context.arc(column, row, 4, 0, 7); context.fill(); context.stroke();
    }
  }
}

const redraw = group => clouds.filter(cloud => cloud.group === group).forEach(cloud => cloud.draw());
for (const canvas of document.querySelectorAll('canvas[data-cloud]')) {
  const cloud = new Cloud(canvas), group = cloud.group;
  views[group] ??= {...START};
  hidden[group] ??= new Set();
  clouds.push(cloud);
  let held = null;
  canvas.addEventListener('pointerdown', event => { held = [event.clientX, event.clientY]; });
  for (const name of ['pointerup', 'pointercancel']) addEventListener(name, () => { held = null; });
  const said = canvas.parentElement.querySelector('output');
  canvas.addEventListener('pointermove', event => {
    const scale = canvas.width / canvas.clientWidth;
    said.textContent = held ? '' : cloud.about(Math.round(event.offsetX * scale), Math.round(event.offsetY * scale));
  });
  canvas.addEventListener('pointerleave', () => { said.textContent = ''; });
  addEventListener('pointermove', event => {
    if (!held) return;
    const view = views[group], right = event.clientX - held[0], down = event.clientY - held[1];
    held = [event.clientX, event.clientY];
    if (event.shiftKey) { view.x += right; view.y += down; } else {
      view.yaw += right * 0.01;
      view.pitch = Math.max(-Math.PI / 2, Math.min(Math.PI / 2, view.pitch + down * 0.01));
    }
    redraw(group);
  });
  canvas.addEventListener('wheel', event => {
    event.preventDefault();
    views[group].zoom *= Math.exp(-event.deltaY * 0.001);
    redraw(group);
  }, {passive: false});
  canvas.addEventListener('dblclick', () => { views[group] = {...START}; redraw(group); });
}
for (const box of document.querySelectorAll('input[data-class]')) box.addEventListener('change', () => {
  const group = +box.dataset.group, kind = +box.dataset.class;
  box.checked ? hidden[group].delete(kind) : hidden[group].add(kind);
  redraw(group);
});
clouds.forEach(cloud => cloud.draw());
</script>
"""
for _name, _value in dict(
    START_PITCH=str(PITCH), RANGE_COLOUR=RANGE, SENSOR_COLOUR=SENSOR, REGION_COLOUR=REGION
).items():
    SCRIPT = SCRIPT.replace(_name, _value)


@dataclass
class Cloud:
    """A cloud to be shown.

    Attributes:
        caption: Text below it.
        coords: The points (N, 3).
        classes: Their classes (N,), uint8: an index of the colours, or :data:`BY_HEIGHT`.
        sensor: Where the sensor is (3,), a cross; None without one.
        regions: Places (M, 3), shown as discs.
        box: (x_min, y_min, z_min, x_max, y_max, z_max) of a box, or None.
    """

    caption: str
    coords: np.ndarray
    classes: np.ndarray
    sensor: np.ndarray | None
    regions: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    box: Sequence[float] | None = None

    @property
    def by_height(self) -> bool:
        """Whether points are coloured by their height."""
        return bool((self.classes == BY_HEIGHT).any())


def shown_heights(clouds: Sequence[Cloud]) -> list[float]:
    """Return the heights of the darkest and the brightest colour.

    They are those of nearly all points of the clouds that are coloured by height or, without one, of all clouds.
    """
    coloured = [cloud for cloud in clouds if cloud.by_height] or clouds
    return np.percentile(np.concatenate([cloud.coords[:, 2] for cloud in coloured]), [2, 98]).tolist()


def shown_extent(clouds: Sequence[Cloud]) -> dict[str, Any]:
    """Return the centre (3,) and the radius in which nearly all points of clouds are in sight, however they are turned.

    Seen as at the beginning, a place d from the centre in the plane and z above it is at most d sin(pitch) +
    z cos(pitch) from the middle of the canvas.
    """
    low, high = np.percentile(np.concatenate([cloud.coords for cloud in clouds]), [0.5, 99.5], axis=0)
    half = (high - low) / 2
    radius = np.hypot(half[0], half[1]) * np.sin(PITCH) + half[2] * np.cos(PITCH)
    return dict(centre=((low + high) / 2).tolist(), radius=max(float(radius), 1e-3))


def clouds_html(
    clouds: Sequence[Cloud], group: int, colours: Sequence[Sequence[int]], names: Sequence[str], unit: str
) -> str:
    """Return canvases that turn together, as HTML; the page needs :data:`STYLE` before and :data:`SCRIPT` behind them.

    Args:
        clouds: The clouds.
        group: A number of their own.
        colours: The colour of each class, red, green and blue of 0 to 255.
        names: The names of the classes.
        unit: The unit of the points.
    """
    shared = dict(
        group=group,
        heights=shown_heights(clouds),
        palette=PALETTE,
        colours=[list(colour) for colour in colours],
        names=list(names),
        unit=unit,
    )
    # Frames and views have different sizes: a view is a part of a frame, or scaled.
    kinds = {kind: [cloud for cloud in clouds if cloud.by_height is kind] for kind in (False, True)}
    extents = {kind: shown_extent(alike) for kind, alike in kinds.items() if alike}
    figures = ''.join(_figure(cloud, shared | extents[cloud.by_height]) for cloud in clouds)
    return f'<div class="clouds">\n{figures}</div>\n'


def _figure(cloud: Cloud, shared: dict) -> str:
    """Return a canvas with its points."""
    low, high = cloud.coords.min(axis=0).astype(np.float64), cloud.coords.max(axis=0).astype(np.float64)
    stored = np.rint((cloud.coords - low) / np.maximum(high - low, 1e-9) * STEPS).astype('<u2')
    content = dict(
        shared,
        low=low.tolist(),
        high=high.tolist(),
        points=base64.b64encode(stored.tobytes()).decode(),
        classes=base64.b64encode(cloud.classes.astype(np.uint8).tobytes()).decode(),
        sensor=None if cloud.sensor is None else np.asarray(cloud.sensor, np.float64).tolist(),
        regions=np.asarray(cloud.regions, np.float64).tolist(),
        box=None if cloud.box is None else [float(side) for side in cloud.box],
    )
    return (
        f'<figure><canvas width="{WIDTH}" height="{HEIGHT}" data-cloud="{escape(json.dumps(content))}"></canvas>'
        f'<output></output><figcaption>{escape(cloud.caption)}</figcaption></figure>\n'
    )
