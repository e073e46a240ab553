/** The server could not start for a reason its message explains. */
export class StartError extends Error {
  override readonly name = 'StartError'
}
