// gatehouse/login: for command-line tools of others, the person whom `gatehouse login` signed in at this terminal.
import { execFile } from 'node:child_process';

export interface LoginSettings {
  /** The command line of Gatehouse: `gatehouse` in the path unless given. */
  command?: readonly [string, ...string[]];
}

export interface Login {
  /** For the management API; good for a minute at least. Ask again rather than keep it. */
  readonly accessToken: string;
  readonly expiresAt: Date;
}

/** Nobody is signed in, or it cannot be found out; the message says what to do. */
export class LoginRequired extends Error {}

/**
 * The command itself is asked: it alone knows the file of tokens (0600), its lock, and how to refresh, so that two tools
 * never use one refresh token at once. It inherits the environment: ISSUER says of which server. Throws LoginRequired.
 */
export async function requireLogin({ command = ['gatehouse'] }: LoginSettings = {}): Promise<Login> {
  const [program, ...words] = command;
  const text = await new Promise<string>((resolve, reject) => {
    execFile(program, [...words, 'token', '--json'], (error, out, said) => {
      if (error === null) resolve(out);
      else reject(new LoginRequired(sentence(error, said), { cause: error.code }));
    });
  });
  const { accessToken, expiresAt } = JSON.parse(text);
  return { accessToken, expiresAt: new Date(expiresAt) };
}

function sentence({ code }: { code?: unknown }, said: string): string {
  if (code === 'ENOENT')
    return 'The command `gatehouse` is not installed here. Install it and run `gatehouse login`.';
  return said.trim() || 'Nobody is signed in at this terminal. Run `gatehouse login`.';
}
