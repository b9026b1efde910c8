# SPDX-License-Identifier: Apache-2.0
"""
The requests of jobs, environments and templates, field by field as the API documents them.

Fields that the emulator has no use for (disks, networks, logins) are accepted as they come and handed back unread.
Rules about values are in ``validation``; here are only names, types and defaults.

Sources:

- jobs and their tasks: https://cloud.tencent.com/document/product/599/15907
- compute environments: https://cloud.tencent.com/document/product/599/15891
- task templates: https://cloud.tencent.com/document/product/599/15902
"""

from __future__ import annotations

from typing import Any

from msgspec import field

from tencent_batch_emulator.services.tc3_schema import Tag, Tc3Struct

Opaque = dict[str, Any]


class Placement(Tc3Struct):
    zone: str
    project_id: int = 0
    host_ids: list[str] | None = None
    host_id: str | None = None
    dedicated_resource_pack_tenancy: str | None = None
    dedicated_resource_pack_ids: list[str] | None = None
    rack_id: str | None = None


class NamedValue(Tc3Struct):
    """An environment variable of a task, or a variable of an event."""

    name: str
    value: str


class EventConfig(Tc3Struct):
    event_name: str
    event_vars: list[NamedValue] = field(default_factory=list)


class Notification(Tc3Struct):
    topic_name: str
    event_configs: list[EventConfig]


class InstanceTypeOptions(Tc3Struct):
    cpu: int = field(name="CPU")
    memory: int
    instance_categories: list[str] | None = None


class SpotOptions(Tc3Struct):
    max_price: str | float
    spot_instance_type: str | None = None


class InstanceMarketOptions(Tc3Struct):
    spot_options: SpotOptions
    market_type: str | None = None


class EnvData(Tc3Struct):
    instance_type: str | None = None
    instance_types: list[str] | None = None
    instance_type_options: InstanceTypeOptions | None = None
    image_id: str | None = None
    system_disk: Opaque | None = None
    data_disks: list[Opaque] | None = None
    virtual_private_cloud: Opaque | None = None
    virtual_private_clouds: list[Opaque] | None = None
    zones: list[str] | None = None
    internet_accessible: Opaque | None = None
    instance_name: str | None = None
    login_settings: Opaque | None = None
    security_group_ids: list[str] | None = None
    enhanced_service: Opaque | None = None
    instance_charge_type: str | None = None
    instance_market_options: InstanceMarketOptions | None = None

    @property
    def types(self) -> list[str]:
        """The instance types in the order in which they are tried; empty when only options were given."""
        return self.instance_types or ([self.instance_type] if self.instance_type else [])


class MountDataDisk(Tc3Struct):
    local_path: str
    file_system_type: str = "EXT3"


class AnonymousComputeEnv(Tc3Struct):
    env_type: str = "MANAGED"
    env_data: EnvData | None = None
    mount_data_disks: list[MountDataDisk] | None = None
    agent_running_mode: Opaque | None = None


class Docker(Tc3Struct):
    image: str
    user: str | None = None
    password: str | None = None
    server: str | None = None
    max_retry_count: int = 0
    delay_on_retry: int | None = None
    docker_run_option: str | None = None


class CommandLine(Tc3Struct):
    command: str


class Application(Tc3Struct):
    delivery_form: str
    command: str | None = None
    commands: list[CommandLine] | None = None
    package_path: str | None = None
    docker: Docker | None = None


class RedirectInfo(Tc3Struct):
    stdout_redirect_path: str | None = None
    stderr_redirect_path: str | None = None
    stdout_redirect_file_name: str | None = None
    stderr_redirect_file_name: str | None = None


class RedirectLocalInfo(Tc3Struct):
    stdout_local_path: str | None = None
    stderr_local_path: str | None = None
    stdout_local_file_name: str | None = None
    stderr_local_file_name: str | None = None


class InputMapping(Tc3Struct):
    source_path: str
    destination_path: str
    mount_option_parameter: str | None = None
    mount_type: str | None = None


class OutputMappingOption(Tc3Struct):
    workspace: str | None = None


class OutputMapping(Tc3Struct):
    source_path: str
    destination_path: str
    output_mapping_option: OutputMappingOption | None = None


class OutputMappingConfig(Tc3Struct):
    scene: str
    worker_num: int
    worker_part_size: int


class TaskSpec(Tc3Struct):
    """A task as it was submitted, or as a template holds it."""

    application: Application
    task_name: str | None = None
    task_instance_num: int = 1
    compute_env: AnonymousComputeEnv | None = None
    env_id: str | None = None
    redirect_info: RedirectInfo | None = None
    redirect_local_info: RedirectLocalInfo | None = None
    input_mappings: list[InputMapping] | None = None
    output_mappings: list[OutputMapping] | None = None
    output_mapping_configs: list[OutputMappingConfig] | None = None
    env_vars: list[NamedValue] | None = None
    authentications: list[Opaque] | None = None
    failed_action: str = "TERMINATE"
    max_retry_count: int = 0
    timeout: int = 86400
    max_concurrent_num: int | None = None
    restart_compute_node: bool = False
    resource_max_retry_count: int = 0


class Dependence(Tc3Struct):
    start_task: str
    end_task: str


class JobSpec(Tc3Struct):
    """A job as it was submitted."""

    tasks: list[TaskSpec]
    job_name: str = ""
    job_description: str = ""
    priority: int = 1
    dependences: list[Dependence] | None = None
    notifications: list[Notification] | None = None
    task_execution_depend_on: str = "PRE_TASK_SUCCEED"
    state_if_create_cvm_failed: str = "FAILED"
    tags: list[Tag] | None = None
    notification_target: str = "CMQ"


class EnvSpec(Tc3Struct):
    """A named compute environment as it was created."""

    env_name: str
    desired_compute_node_count: int
    env_description: str = ""
    env_type: str = "MANAGED"
    env_data: EnvData | None = None
    mount_data_disks: list[MountDataDisk] | None = None
    authentications: list[Opaque] | None = None
    input_mappings: list[InputMapping] | None = None
    agent_running_mode: Opaque | None = None
    notifications: list[Notification] | None = None
    action_if_compute_node_inactive: str = "RECREATE"
    resource_max_retry_count: int = 7
    tags: list[Tag] | None = None
    notification_target: str = "CMQ"
