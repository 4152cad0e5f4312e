// The one long-lived cookie by which a browser is known again: random, the same for all accounts that sign in there.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { randomToken } from '../../platform/secrets/tokens.ts';

export interface DeviceCookie {
  read(request: IncomingMessage): string | undefined;
  /** The one of this browser, which lasts a year from now; a new one where there is none. */
  renew(request: IncomingMessage, response: ServerResponse): string;
}

const VALUE = /^[A-Za-z0-9_-]{43}$/;
// Browsers keep no cookie for longer than 400 days (RFC 6265bis §5.6.2).
export const DEVICE_SECONDS = 365 * 24 * 3600;

export function createDeviceCookie({ secure }: { secure: boolean }): DeviceCookie {
  const name = secure ? '__Host-gatehouse_device' : 'gatehouse_device';
  const attributes = `Path=/; Max-Age=${DEVICE_SECONDS}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;

  function read(request: IncomingMessage): string | undefined {
    for (const pair of (request.headers.cookie ?? '').split(';')) {
      const [key, value] = pair.trim().split('=', 2);
      if (key === name && value !== undefined && VALUE.test(value)) return value;
    }
    return undefined;
  }

  return {
    read,
    renew(request, response) {
      const value = read(request) ?? randomToken();
      response.appendHeader('Set-Cookie', `${name}=${value}; ${attributes}`);
      return value;
    },
  };
}
