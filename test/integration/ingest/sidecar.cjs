// A process that does of a sidecar what matters for ingestion: engine, schema, ingester. Compiled code, so that it can
// be killed like the real one. Tells its parent when it is up, and answers `drain` when nothing is left.
'use strict'
const { startEngine } = require('@sluice/sidecar/engine/process')
const { openClickHouse } = require('@sluice/sidecar/clickhouse/open')
const { startIngest } = require('@sluice/sidecar/ingest/ingester')

const [folder, spool, local] = process.argv.slice(2)

const main = async () => {
  const engine = await startEngine({ folder, readable: [spool] })
  process.send({ engine: engine.pid })
  const client = await openClickHouse({ engine })
  const ingest = startIngest({ client, folder: spool, pollMs: 50, ...(local === 'infile' && { local: engine }) })
  process.send({ up: true })
  process.on('message', async () => {
    await ingest.drained()
    const answer = await client.query({
      query: `SELECT count() AS rows, uniqExact(id) AS ids, uniqExact(segment) AS named,
        (SELECT sum(outcomes) FROM outcomes_1h) AS rollup, (SELECT count() FROM segments FINAL) AS segments FROM outcomes`,
      format: 'JSONEachRow',
    })
    process.send({ counts: (await answer.json())[0], done: ingest.status().done })
  })
  process.on('SIGTERM', async () => {
    await ingest.stop()
    await client.close()
    await engine.stop()
    process.exit(0)
  })
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
