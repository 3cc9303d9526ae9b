SELECT count() AS segments FROM segments WHERE ingested_at > {since:DateTime('UTC')}
