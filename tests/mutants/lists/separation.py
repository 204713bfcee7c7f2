"""Mutants of which function serves what: schedules, methods, and a query side that only reads."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS: Final = (
    Mutant(
        name="staging-schedule-starts-the-query-function",
        breaks=("R11.6",),
        file="deploy/templates/rules.yaml",
        before=("        - Id: StagingAccountSyncTarget\n          Arn: !Ref ApiHandlerFunctionArn\n"),
        after=("        - Id: StagingAccountSyncTarget\n          Arn: !Ref QueryHandlerFunctionArn\n"),
        tests=("deploy/test_templates.py::test_every_schedule_ends_at_data_management",),
    ),
    Mutant(
        name="schedules-bound-to-the-query-function",
        breaks=("R11.6", "R11.7"),
        file="deploy/templates/main.yaml",
        before=(
            "        # Both parameters are data-management-handler, which serves every schedule. "
            "query-handler cannot write.\n"
            "        ApiHandlerFunctionArn: !GetAtt Functions.Outputs.DataManagementHandlerFunctionArn\n"
        ),
        after="        ApiHandlerFunctionArn: !GetAtt Functions.Outputs.QueryHandlerFunctionArn\n",
        tests=("deploy/test_templates.py::test_every_schedule_ends_at_data_management",),
    ),
    Mutant(
        name="staging-schedule-through-the-other-parameter",
        breaks=("R11.6",),
        file="deploy/templates/rules.yaml",
        before=("        - Id: StagingAccountSyncTarget\n          Arn: !Ref ApiHandlerFunctionArn\n"),
        after=("        - Id: StagingAccountSyncTarget\n          Arn: !Ref DataManagementHandlerFunctionArn\n"),
        tests=("deploy/test_templates.py::test_every_schedule_ends_at_data_management",),
    ),
    Mutant(
        name="permission-of-the-staging-schedule-for-the-query-function",
        breaks=("R11.7",),
        file="deploy/templates/rules.yaml",
        before=(
            "  StagingAccountSyncSchedulePermission:\n"
            "    Type: AWS::Lambda::Permission\n"
            "    Condition: EnableStagingAccountSyncCondition\n"
            "    Properties:\n"
            "      FunctionName: !Ref ApiHandlerFunctionArn"
        ),
        after=(
            "  StagingAccountSyncSchedulePermission:\n"
            "    Type: AWS::Lambda::Permission\n"
            "    Condition: EnableStagingAccountSyncCondition\n"
            "    Properties:\n"
            "      FunctionName: !Ref QueryHandlerFunctionArn"
        ),
        tests=("deploy/test_templates.py::test_every_schedule_ends_at_data_management",),
    ),
    Mutant(
        name="sync-of-one-account-served-by-the-query-function",
        breaks=("R11.8",),
        file="deploy/templates/api.yaml",
        before=(
            "      ResourceId: !Ref AccountsTargetStagingAccountsSyncResource\n"
            "      HttpMethod: POST\n"
            "      AuthorizationType: COGNITO_USER_POOLS\n"
            "      AuthorizerId: !Ref Authorizer\n"
            "      RequestValidatorId: !Ref RequestValidator\n"
            "      RequestParameters: {method.request.path.id: true}\n"
            "      Integration:\n"
            "        Type: AWS_PROXY\n"
            "        IntegrationHttpMethod: POST\n"
            "        Uri: !Sub "
            "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${ApiHand"
            "lerFunctionArn}/invocations"
        ),
        after=(
            "      ResourceId: !Ref AccountsTargetStagingAccountsSyncResource\n"
            "      HttpMethod: POST\n"
            "      AuthorizationType: COGNITO_USER_POOLS\n"
            "      AuthorizerId: !Ref Authorizer\n"
            "      RequestValidatorId: !Ref RequestValidator\n"
            "      RequestParameters: {method.request.path.id: true}\n"
            "      Integration:\n"
            "        Type: AWS_PROXY\n"
            "        IntegrationHttpMethod: POST\n"
            "        Uri: !Sub "
            "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${QueryHa"
            "ndlerArn}/invocations"
        ),
        tests=(
            "deploy/test_templates.py::test_the_method_that_syncs_one_account_stays_where_it_was",
            "deploy/test_templates.py::test_every_route_of_the_handlers_has_its_method_and_no_other_does",
        ),
    ),
    Mutant(
        name="sync-of-one-account-bound-to-the-staging-accounts",
        breaks=("R11.8",),
        file="deploy/templates/api.yaml",
        before=("      ResourceId: !Ref AccountsTargetStagingAccountsSyncResource\n      HttpMethod: POST\n"),
        after=("      ResourceId: !Ref AccountsTargetStagingAccountsResource\n      HttpMethod: POST\n"),
        tests=(
            "deploy/test_templates.py::test_the_method_that_syncs_one_account_stays_where_it_was",
            "deploy/test_templates.py::test_every_route_of_the_handlers_has_its_method_and_no_other_does",
        ),
    ),
    Mutant(
        name="put-item-among-the-reads",
        breaks=("R11.13",),
        file="service/aws/operations.py",
        before='"dynamodb": frozenset({"BatchGetItem", "GetItem", "Query", "Scan"}),',
        after='"dynamodb": frozenset({"BatchGetItem", "GetItem", "PutItem", "Query", "Scan"}),',
        tests=(
            "aws/test_operations.py::test_a_write_is_refused_and_nothing_is_sent",
            "aws/test_operations.py::test_operations_allowed_to_queries_are_reads_by_name",
        ),
    ),
    Mutant(
        name="extension-among-the-reads",
        breaks=("R11.13",),
        file="service/aws/operations.py",
        before='"drs": frozenset({"DescribeRecoveryInstances", "DescribeSourceServers"}),',
        after=(
            '"drs": frozenset({"CreateExtendedSourceServer", "DescribeRecoveryInstances", "DescribeSourceServers"}),'
        ),
        tests=(
            "aws/test_operations.py::test_a_write_is_refused_and_nothing_is_sent",
            "aws/test_operations.py::test_operations_allowed_to_queries_are_reads_by_name",
        ),
    ),
    Mutant(
        name="query-function-may-write",
        breaks=("R11.13",),
        file="service/query_app.py",
        before="async with AwsClient(settings, now, allowed=READ_OPERATIONS) as aws_client:",
        after="async with AwsClient(settings, now) as aws_client:",
        tests=("aws/test_operations.py::test_the_query_function_can_only_read",),
    ),
    Mutant(
        name="undeclared-operations-sent",
        breaks=("R11.13",),
        file="service/aws/operations.py",
        before="        if operation not in allowed.get(service, ()) and operation",
        after="        if service not in allowed and operation",
        tests=(
            "aws/test_operations.py::test_a_write_is_refused_and_nothing_is_sent",
            "aws/test_operations.py::test_the_query_function_can_only_read",
        ),
    ),
    Mutant(
        name="role-of-the-query-function-may-write",
        breaks=("R11.13",),
        file="deploy/templates/roles.yaml",
        before=("                Action: [dynamodb:BatchGetItem, dynamodb:GetItem, dynamodb:Query, dynamodb:Scan]\n"),
        after=(
            "                Action: [dynamodb:BatchGetItem, dynamodb:GetItem, dynamodb:PutItem, "
            "dynamodb:Query, dynamodb:Scan]\n"
        ),
        tests=("deploy/test_templates.py::test_the_query_role_changes_nothing",),
    ),
    Mutant(
        name="comment-names-the-query-function",
        breaks=("R11.14",),
        file="deploy/templates/rules.yaml",
        before="# Serves data-management-handler (handle_sync_staging_accounts)",
        after="# Serves query-handler (handle_sync_staging_accounts)",
        tests=("deploy/test_templates.py::test_comments_say_which_handler_serves_each_rule_permission_and_method",),
    ),
    Mutant(
        name="comment-of-the-method-names-the-query-function",
        breaks=("R11.14",),
        file="deploy/templates/api.yaml",
        before="# POST /accounts/targets/{id}/staging-accounts/sync: served by data-management-handler (",
        after="# POST /accounts/targets/{id}/staging-accounts/sync: served by query-handler (",
        tests=("deploy/test_templates.py::test_comments_say_which_handler_serves_each_rule_permission_and_method",),
    ),
    Mutant(
        name="permission-without-comment",
        breaks=("R11.14",),
        file="deploy/templates/rules.yaml",
        before=(
            "  StagingAccountSyncSchedulePermission:\n"
            "    Type: AWS::Lambda::Permission\n"
            "    Condition: EnableStagingAccountSyncCondition\n"
            "    Properties:\n"
            "      FunctionName: !Ref ApiHandlerFunctionArn # data-management-handler\n"
        ),
        after=(
            "  StagingAccountSyncSchedulePermission:\n"
            "    Type: AWS::Lambda::Permission\n"
            "    Condition: EnableStagingAccountSyncCondition\n"
            "    Properties:\n"
            "      FunctionName: !Ref ApiHandlerFunctionArn\n"
        ),
        tests=("deploy/test_templates.py::test_comments_say_which_handler_serves_each_rule_permission_and_method",),
    ),
)
