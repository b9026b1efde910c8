# SPDX-License-Identifier: Apache-2.0
"""Topics, queues and subscriptions: desired state, plan, apply; rewind; the names of queues."""
