# SPDX-License-Identifier: Apache-2.0
"""What keeps the work of an event loop going; knows nothing of jobs, messages or the cloud."""
