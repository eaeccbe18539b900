"""The settings: one typed tree, the TOML file that holds it, and the folder in which everything is kept."""

from zonemint.config.acme import Acme
from zonemint.config.acmedns import AcmeDns
from zonemint.config.dns import Dns
from zonemint.config.file import load, render, settings, with_database
from zonemint.config.folder import DataDir, data_dir, database_url
from zonemint.config.hooks import Hook
from zonemint.config.issuance import Issuance
from zonemint.config.limits import Limits
from zonemint.config.listen import Listen, advertised
from zonemint.config.profiles import Profile
from zonemint.config.provisioners import Provisioner
from zonemint.config.store import Store
from zonemint.config.tree import Config, masked, override
from zonemint.config.validation import Validation
from zonemint.config.values import Seconds, SettingError
from zonemint.config.views import View
from zonemint.config.zones import ZoneSettings

__all__ = [
    "Acme",
    "AcmeDns",
    "Config",
    "DataDir",
    "Dns",
    "Hook",
    "Issuance",
    "Limits",
    "Listen",
    "Profile",
    "Provisioner",
    "Seconds",
    "SettingError",
    "Store",
    "Validation",
    "View",
    "ZoneSettings",
    "advertised",
    "data_dir",
    "database_url",
    "load",
    "masked",
    "override",
    "render",
    "settings",
    "with_database",
]
