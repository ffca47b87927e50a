"""The table of feature extractors: plain data, loaded when named."""

from bench.contract import FeatureEntry

FEATURES: dict[str, FeatureEntry] = {
    entry.name: entry
    for entry in (
        FeatureEntry(
            name="r64",
            title="random VGG16, 64 dimensions (Naeem et al. 2020)",
            build="bench.features.r64:build",
            outputs=("fc2",),
            convention={"resize": "bilinear antialiased 32", "seed": 64},
        ),
    )
}
