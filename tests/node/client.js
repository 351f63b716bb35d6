// kafkajs as a program for the end-to-end tests.
//
// Usage: client.js ROLE BROKER ARGUMENTS..., with the roles `produce TOPIC FILE CODEC` and
// `member TOPIC GROUP` of tests/python/client.py. Its own gzip, and for the other codecs the packages
// beside this file.
'use strict'

const fs = require('node:fs')
const { CompressionCodecs, CompressionTypes, Kafka, PartitionAssigners, logLevel } = require('kafkajs')
const snappy = require('kafkajs-snappy')
const lz4 = require('lz4-napi')
const zstd = require('@bokuweb/zstd-wasm')

const RECORDS_A_REQUEST = 1_000
const BEFORE_NUMBER = '{"seq":'.length

CompressionCodecs[CompressionTypes.Snappy] = snappy
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async encoder => lz4.compressFrame(encoder.buffer),
  decompress: async buffer => lz4.decompressFrame(buffer),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(zstd.decompress(buffer)),
})

const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}

function client(broker) {
  return new Kafka({ clientId: 'kafkajs', brokers: [broker], logLevel: logLevel.WARN })
}

async function produce(broker, topic, path, codec) {
  const producer = client(broker).producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const lines = fs.readFileSync(path, 'utf8').split('\n').slice(0, -1)
  const messages = lines.map(line => {
    const tab = line.indexOf('\t')
    const value = line.slice(tab + 1)
    const number = value.slice(BEFORE_NUMBER, value.indexOf(','))
    return { key: tab === 0 ? null : line.slice(0, tab), value, headers: { seq: number } }
  })
  for (let from = 0; from < messages.length; from += RECORDS_A_REQUEST) {
    const some = messages.slice(from, from + RECORDS_A_REQUEST)
    await producer.send({ topic, acks: -1, compression: CODECS[codec], messages: some })
  }
  await producer.disconnect()
}

function printed(partition, { offset, key, value, headers }) {
  const text = Object.entries(headers ?? {}).map(([name, content]) => `${name}=${content}`).join()
  const length = bytes => (bytes === null ? -1 : bytes.length)
  const head = `${partition} ${offset} ${length(key)} ${length(value)} ${text}\n`
  return [Buffer.from(head), key ?? Buffer.alloc(0), value ?? Buffer.alloc(0), Buffer.from('\n')]
}

function sayPartitions(what, assignment) {
  const named = Object.entries(assignment).flatMap(([topic, numbers]) => numbers.map(number => `${topic} [${number}]`))
  console.error(`${what}: ${named.join(', ')}`)
}

async function member(broker, topic, group) {
  const consumer = client(broker).consumer({ groupId: group, partitionAssigners: [PartitionAssigners.roundRobin] })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => sayPartitions('assigned', payload.memberAssignment))
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    console.error(payload.error)
    if (!payload.restart) process.exit(1)
  })
  process.on('SIGTERM', async () => {
    await consumer.disconnect()
    process.exit(0)
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachBatch: async ({ batch }) => {
      const out = Buffer.concat(batch.messages.flatMap(message => printed(batch.partition, message)))
      for (let from = 0; from < out.length; ) from += fs.writeSync(1, out, from)
    },
  })
}

const ROLES = { produce, member }

async function main() {
  await zstd.init()
  const [role, ...rest] = process.argv.slice(2)
  await ROLES[role](...rest)
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
