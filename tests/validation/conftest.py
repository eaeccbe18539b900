from tests.web.fixtures import lab, pytest_asyncio_loop_factories

__all__ = ["lab", "pytest_asyncio_loop_factories"]
