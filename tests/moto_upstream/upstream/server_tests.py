"""Test different server responses."""

import moto.server as server


def test_describe_source_servers() -> None:
    test_client = server.create_backend_app("drs").test_client()
    response = test_client.post("/DescribeSourceServers", data=b"{}")
    assert response.status_code == 400
    assert response.headers["x-amzn-ErrorType"] == "UninitializedAccountException"

    assert test_client.post("/InitializeService").status_code == 204
    response = test_client.post("/DescribeSourceServers", data=b"{}")
    assert response.status_code == 200
    assert response.json == {"items": []}
