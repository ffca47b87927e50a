"""Classical codecs through Pillow: the bitstream is really written, and its bytes are counted."""
