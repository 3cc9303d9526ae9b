INSERT INTO segments (segment, lines, bytes, quarantined) FORMAT JSONEachRow
