export type { Candle, Change, Entry, ErrorCode, Json } from '@livekv/protocol'
export { type Client, type ClientOptions, createClient } from './client.ts'
export type { ConnectionState } from './connection-state.ts'
export { type ClientErrorCode, LiveKVError } from './error.ts'
export { exactNumbers, type JsonCodec } from './json-codec.ts'
export type {
  CandlesQuery,
  ChangesPage,
  ChangesQuery,
  HistoryQuery,
  KeyList,
  ListOptions,
  Page,
  ReadOptions,
} from './reads.ts'
export type { Selection } from './selection.ts'
export type { Value } from './value.ts'
export type { EntryOf, WatchChange, WatchDelete, WatchEvent, WatchPut } from './watch-event.ts'
export type {
  DeleteOptions,
  IncrementOptions,
  PutEntry,
  PutOptions,
  TouchOptions,
  Write,
  WriteResult,
} from './write-options.ts'
