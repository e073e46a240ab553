import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Files in PEM. */
export interface Certificates {
  /** The throw-away authority that a client has to trust. */
  caFile: string
  /** Of a server on 127.0.0.1, [::1] and localhost, and its key (PKCS #8). */
  certificateFile: string
  keyFile: string
}

const DAYS = '2'
const EXTENSIONS = 'subjectAltName = IP:127.0.0.1, IP:::1, DNS:localhost\nextendedKeyUsage = serverAuth\n'

/** An authority of its own, and a certificate from it; both end after two days. */
export function makeCertificates(folder: string): Certificates {
  mkdirSync(folder, { recursive: true })
  const file = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    ...['req', '-x509', ...newKey, '-days', DAYS, '-subj', '/CN=LiveKV test authority'],
    ...['-keyout', file('ca.key'), '-out', file('ca.pem')],
  )
  openssl(
    ...['req', ...newKey, '-subj', '/CN=localhost', '-keyout', file('server.key')],
    ...['-out', file('server.csr')],
  )
  writeFileSync(file('extensions'), EXTENSIONS)
  openssl(
    ...['x509', '-req', '-in', file('server.csr'), '-days', DAYS, '-extfile', file('extensions')],
    ...['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-out', file('server.pem')],
  )
  return { caFile: file('ca.pem'), certificateFile: file('server.pem'), keyFile: file('server.key') }
}
