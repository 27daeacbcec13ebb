"""What exporting and importing a million calls costs, beside reading and inserting the same rows."""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from itertools import batched
