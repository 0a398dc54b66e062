"""One run and its folder: layout, record, reader, writer, training session, resume."""
