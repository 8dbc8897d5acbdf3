"""What the transfers of a node share of the direct route."""

from unittest import mock

from ocft.runtime.wire2.direct import Direct, DirectOptions
from ocft.wire import DirectTicket


def test_addresses_that_cannot_be_read_leave_the_way_to_others() -> None:
    """It is not known then whether we listen on loopback only, so that is not tried."""
    places = ((bytes([127, 0, 0, 1]), 2000), (bytes([10, 0, 0, 1]), 2000))
    ticket = DirectTicket(id=bytes(8), token=bytes(32), places=places)
    with mock.patch("ocft.runtime.wire2.direct.network_addresses", side_effect=OSError("no")):
        assert Direct(DirectOptions()).places_of(ticket) == [("10.0.0.1", 2000)]
