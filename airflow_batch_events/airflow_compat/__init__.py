# SPDX-License-Identifier: Apache-2.0
"""
Every workaround for a version of Airflow, for a private name in it, or for one of its traps.

The rule that must not be relaxed: nothing else in the package uses a private name of Airflow, asks for its version, or
imports one of its modules that is somewhere else in another version. Another version of Airflow is met by changing this
room alone.

There is one module for each subject, named by what it can do and not by a version. Each function says what it is for,
where in Airflow's source its reason is (files below ``site-packages/airflow``, lines of 3.3.2), since when, and when it
can go; "before 3.1" is every supported version. The modules are separate because a DAG file that imports an operator
imports some of them and must not pay for the others.
"""
