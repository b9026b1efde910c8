# SPDX-License-Identifier: Apache-2.0
"""Many jobs of one task, as far as they need no API: what is noted of each, what to do next, what to say about it."""
