# SPDX-License-Identifier: Apache-2.0
"""Who we are and where: keys, where they come from, and how they are kept good."""
