"""What a registration across modalities has come to, into its file."""

import numpy as np

from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Status
from hpcdvc.multimodal.multiscale import ModalResult
from hpcdvc.multimodal.pair import ModalPair
from hpcdvc.multimodal.phases_file import phases_text
from hpcdvc.multimodal.settings import ModalSettings
from hpcdvc.output.modal import ModalLevels
from hpcdvc.registration.levels import Level
