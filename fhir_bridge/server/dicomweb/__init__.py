"""DICOMweb (PS3.18): objects are taken in (STOW-RS), studies found (QIDO-RS), objects passed on (WADO-RS)."""
