INSERT INTO outcomes ({{columns}}) {{infile}} FORMAT JSONEachRow
