# SPDX-License-Identifier: Apache-2.0
"""What an outcome tells: the facts of a failure, exit codes that mean something, durations."""
