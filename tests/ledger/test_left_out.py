"""What is replaced or left out locally: it really is, and there is still a reason for it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from botocore.exceptions import ClientError

from infra import catalog, modules, stack, targets
from infra.local import Cloud
from tests.support.local_aws import LocalAws, allow

pytestmark = pytest.mark.e2e


def test_postgresql_keeps_rows_in_a_database_of_the_stacks_own(local_cloud: Cloud, name: str) -> None:
    local_cloud.up(["postgres"])
    made = local_cloud.provision_database(name.replace("-", "_"))
    where = f"host={made.host} port={made.port} dbname={made.database} user={made.user}"
    try:
        with psycopg.connect(where, password=made.password, autocommit=True) as connection:
            connection.execute("CREATE TABLE launches (mission text)")
            connection.execute("INSERT INTO launches VALUES ('Sputnik')")
            assert connection.execute("SELECT mission FROM launches").fetchall() == [("Sputnik",)]
    finally:
        local_cloud.drop_database(name.replace("-", "_"))


def test_the_emulator_has_no_redshift_serverless(aws: LocalAws, name: str) -> None:
    with pytest.raises(ClientError) as refused:  # not implemented, says the answer
        aws.client("redshift-serverless").create_namespace(namespaceName=name, dbName="retail")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_a_spark_job_runs_nothing(aws: LocalAws, name: str) -> None:
    """A program that is nowhere is said to have succeeded."""
    emr = aws.client("emr-serverless")
    application = emr.create_application(name=name, releaseLabel="emr-7.10.0", type="SPARK")["applicationId"]
    nowhere = {"sparkSubmit": {"entryPoint": f"s3://{name}/none.py"}}
    role = "arn:aws:iam::000000000000:role/none"
    run = emr.start_job_run(applicationId=application, executionRoleArn=role, jobDriver=nowhere)["jobRunId"]
    found = emr.get_job_run(applicationId=application, jobRunId=run)["jobRun"]
    assert found["state"] == "SUCCESS", f"jobs run now ({found['state']}): deploy `spark_job`"


@pytest.mark.parametrize("module", [each for each in modules.names() if modules.load(each).local == "cloud-only"])
def test_a_cloud_only_module_is_left_out_of_a_stack(tmp_path: Path, module: str) -> None:
    interface = modules.load(module)

    class Only(stack.Stack):
        def build(self) -> None:
            needed = [name for name, variable in interface.variables.items() if variable.required]
            made = self.module("only", module, **{name: stack.Ref(f"${{var.{name}}}") for name in needed})
            assert {getattr(made, name) for name in interface.outputs} == {None}

    local = Only(catalog.built("01_meteor"), targets.local({"AWS_ENDPOINT_URL": ""}, {}), tmp_path)
    assert "module" not in local.synthesise()
    assert local.skipped == [f"only ({module})"]


def test_no_network_stops_a_function(aws: LocalAws, name: str) -> None:
    """In a VPC without a way out, on AWS, the function would reach nothing."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName=name, Description="Closed.", VpcId=vpc)["GroupId"]
    found = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=found["IpPermissionsEgress"])
    code = "import boto3\ndef handler(event, context): return boto3.client('sts').get_caller_identity()['Account']"
    role = aws.role(name, allow("ec2:*"))
    aws.function(name, code, role, Timeout=10, VpcConfig={"SubnetIds": [subnet], "SecurityGroupIds": [group]})
    answer = aws.call(name)
    assert answer == "000000000000", f"a network stops packets now ({answer}): deploy the module `network` locally"


def test_a_scheduled_task_runs_no_container(aws: LocalAws, name: str) -> None:
    """An image that exists nowhere is said to run: so nothing was started."""
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName=name)
    task = {"name": "task", "image": "orrery.invalid/none", "essential": True, "command": ["true"]}
    ecs.register_task_definition(
        family=name,
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        containerDefinitions=[task],
    )
    started = ecs.run_task(cluster=name, taskDefinition=name, launchType="FARGATE")
    (found,) = ecs.describe_tasks(cluster=name, tasks=[started["tasks"][0]["taskArn"]])["tasks"]
    assert started["failures"] == [] and found["lastStatus"] == "RUNNING", "containers run now: deploy `scheduled_task`"
