import { LiveKVError } from '../../src/index.ts'

/** What the promise rejects with, which has to be a LiveKVError. */
export async function errorOf(promise: Promise<unknown>): Promise<LiveKVError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof LiveKVError) return error
    throw error
  }
  throw new Error('It was expected to reject.')
}
