"""From any stock detector to its pre-training config.

The parts in their order: what points the detector reads (`stock_points`), one forward pass on made-up clouds
(`made_up_clouds`, `feature_table`), what reaches the loss (`gradient_reach`, `feature_choice`), the data
(`pretrain_data`, `data_fit`), and the text of the configs (`config_text`, `downstream_text`).
"""

from .config_text import DENSE_KINDS, pretrain_text
from .data_fit import DataFit, fit_data
from .downstream_text import downstream_text, lost_weights
from .feature_choice import Choice, choose_feature
from .feature_table import Feature, Inspection, inspect_detector, table_lines
from .pretrain_data import DATA_SETS, PretrainData, choose_data
from .stock_points import StockPoints, read_stock_points

__all__ = [
    'DATA_SETS',
    'DENSE_KINDS',
    'Choice',
    'DataFit',
    'Feature',
    'Inspection',
    'PretrainData',
    'StockPoints',
    'choose_data',
    'choose_feature',
    'downstream_text',
    'fit_data',
    'inspect_detector',
    'lost_weights',
    'pretrain_text',
    'read_stock_points',
    'table_lines',
]
