import fs from 'node:fs'

/** What was done to files, in order, and what the writer was told. A name is relative to the data directory. */
export type JournalRecord =
  | { op: 'create'; name: string; id: string }
  | { op: 'mkdir'; name: string }
  | { op: 'remove'; name: string }
  | { op: 'rename'; from: string; to: string; id: string }
  | { op: 'write'; id: string; position: number }
  | { op: 'truncate'; id: string; size: number }
  | { op: 'sync'; id: string }
  | { op: 'syncDirectory'; name: string }
  | { op: 'acknowledged'; revision: number }

/** One append per record, so that two threads may share the file. */
export function appendRecord(
  append: (bytes: Uint8Array) => void,
  record: JournalRecord,
  payload?: Uint8Array,
): void {
  const header = Buffer.from(JSON.stringify(record))
  const lengths = Buffer.alloc(8)
  lengths.writeUInt32LE(header.length, 0)
  lengths.writeUInt32LE(payload?.length ?? 0, 4)
  append(Buffer.concat([lengths, header, payload ?? new Uint8Array()]))
}

export function readJournal(file: string): { record: JournalRecord; payload: Buffer }[] {
  const bytes = fs.readFileSync(file)
  const records = []
  for (let at = 0; at < bytes.length; ) {
    const headerEnd = at + 8 + bytes.readUInt32LE(at)
    const end = headerEnd + bytes.readUInt32LE(at + 4)
    records.push({
      record: JSON.parse(bytes.toString('utf8', at + 8, headerEnd)) as JournalRecord,
      payload: bytes.subarray(headerEnd, end),
    })
    at = end
  }
  return records
}
