# SPDX-License-Identifier: Apache-2.0
"""Read what jobs do from the API, blocking: wait for them, show their output, explain their failures."""
