# SPDX-License-Identifier: Apache-2.0
"""A small cloud for one machine: Batch, TDMQ for CMQ and the CMQ data plane over HTTP, signatures verified."""
