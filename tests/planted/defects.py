"""Every planted defect."""

from typing import Final

from . import engine_defects, http_defects, storage_defects

DEFECTS: Final = (*engine_defects.DEFECTS, *storage_defects.DEFECTS, *http_defects.DEFECTS)
