"""One model, one file: BG/NBD for orders, Gamma-Gamma for spend, both drop-ins for lifetimes; what follows from them.

in: frames of customers or weighted cells; out: fitted models, scored frames, frozen results
"""

import warnings

with warnings.catch_warnings():  # importing lifetimes silences warnings for the whole process and sets a dead option
    warnings.simplefilter("ignore")
    import lifetimes  # noqa: F401  first import: from here on the submodules' own imports change nothing

from matplotlib.axes import _base

from clvbook.models.beta_geo import BetaGeoFitter
from clvbook.models.gamma_gamma import GammaGammaFitter

# lifetimes' plot_expected_repeat_purchases asks axes for the iterator of colours that matplotlib 3.8 took away.
if not hasattr(_base._process_plot_var_args, "prop_cycler"):
    _base._process_plot_var_args.prop_cycler = property(lambda lines: iter([{"color": lines.get_next_color()}]))

__all__ = ["BetaGeoFitter", "GammaGammaFitter"]
