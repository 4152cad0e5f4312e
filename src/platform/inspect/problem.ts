// A measurement that did not come about, and why, in words for the operator.
export interface Problem {
  readonly problem: string;
}

export function problemOf(error: unknown): Problem {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return { problem: String(cause) };
  const { code } = cause as { code?: unknown };
  // knex puts the whole statement in front of what PostgreSQL said.
  const said =
    cause.message
      .trim()
      .split(/\n| - /)
      .at(-1) ?? '';
  return { problem: typeof code === 'string' && !said.includes(code) ? `${said} (${code})` : said };
}

export function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'problem' in value;
}

/** What `run` measures, or why it could not. */
export async function measured<T>(run: () => Promise<T>): Promise<T | Problem> {
  try {
    return await run();
  } catch (error) {
    return problemOf(error);
  }
}
