"""The conventions that tools and papers use for set metrics, as one table. What a source does not say is None."""

from bench.contract import MetricProtocol

DEFAULT_PROTOCOL = "clean"

PROTOCOLS: dict[str, MetricProtocol] = {
    protocol.name: protocol
    for protocol in (
        MetricProtocol(
            name="clean",
            title="clean-fid: PIL bicubic resize to 299 without quantisation",
            features={},
            source="Parmar et al. 2022",
        ),
    )
}
