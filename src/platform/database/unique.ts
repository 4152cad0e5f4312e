// What PostgreSQL says when a value is taken.

const UNIQUE_VIOLATION = '23505';

/** True for a write that went through, false when a value in it was taken: the transaction is over then. */
export async function unlessTaken(writing: PromiseLike<unknown>): Promise<boolean> {
  try {
    await writing;
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === UNIQUE_VIOLATION) return false;
    throw error;
  }
}
