// The app's own sessions: an opaque id in a cookie, everything else in the memory of this process.
// Enough for an example. With several processes, or restarts that people must not notice, keep them in a database.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Pending, SignedIn } from './sign-in.ts';

export interface Notice {
  readonly kind: 'good' | 'bad';
  readonly title: string;
  readonly lines: readonly string[];
  /** A permission whose absence was the reason. */
  readonly missing?: string;
}

export interface Session {
  /** Sign-ins that were begun in this browser, by state: each tab has its own. */
  readonly pending: Map<string, Pending>;
  person?: SignedIn;
  /** Shown once, on the next page. */
  notice?: Notice;
}

export interface Sessions {
  of(request: IncomingMessage): Session | undefined;
  /** A new session under a new id; the one before it in this browser ends. */
  renew(request: IncomingMessage, response: ServerResponse): Session;
  end(request: IncomingMessage, response: ServerResponse): void;
}

const COOKIE = 'demo-app-session';
const MAXIMUM_SESSIONS = 1000;

/** `secure`: the app is reached by https. */
export function createSessions(secure: boolean): Sessions {
  const sessions = new Map<string, Session>();
  // Lax: the cookie must come along when the sign-in page sends the browser back.
  const attributes = `; Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;

  return {
    of: (request) => sessions.get(idIn(request) ?? ''),
    renew(request, response) {
      sessions.delete(idIn(request) ?? '');
      const oldest = sessions.keys().next();
      if (sessions.size >= MAXIMUM_SESSIONS && !oldest.done) sessions.delete(oldest.value);
      const id = randomBytes(32).toString('base64url');
      const session: Session = { pending: new Map() };
      sessions.set(id, session);
      response.setHeader('set-cookie', `${COOKIE}=${id}${attributes}`);
      return session;
    },
    end(request, response) {
      sessions.delete(idIn(request) ?? '');
      response.setHeader('set-cookie', `${COOKIE}=${attributes}; Max-Age=0`);
    },
  };
}

function idIn(request: IncomingMessage): string | undefined {
  return new RegExp(`(?:^|; )${COOKIE}=([\\w-]{43})(?:;|$)`).exec(request.headers.cookie ?? '')?.[1];
}
