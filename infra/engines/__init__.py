"""Real engines beside moto: AWS's own DynamoDB Local and ElasticMQ, fetched by Maven, on free ports, for as long as the tests last.

`python -m infra.engines` (`make test-engines`) runs the tests of the store and of the whole stack against them. docs/testing.md
lists where they differ from moto and from AWS.
"""
