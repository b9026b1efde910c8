# SPDX-License-Identifier: Apache-2.0
"""What operators, sensors and triggers share in order to wait."""
