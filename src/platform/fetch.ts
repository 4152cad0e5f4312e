// Outgoing HTTP of the engine (client key sets, sector identifiers, back-channel logout), with the private network closed
// unless a setting opens it.
import { measure } from './telemetry/timings.ts';

export type OutgoingFetch = typeof fetch;

/**
 * The engine hands over a dispatcher that refuses private and loopback addresses after the name was resolved, so that a
 * name cannot be rebound between check and use. Where it could not build one it asks without: that request is not made.
 * Opening the private network means leaving the dispatcher out.
 */
export function createOutgoingFetch(settings: { privateNetwork: 'refuse' | 'allow' }): OutgoingFetch {
  return async (url, options) => {
    const { dispatcher, ...rest }: RequestInit & { dispatcher?: unknown } = options ?? {};
    if (settings.privateNetwork === 'allow') return measure('outgoing', () => fetch(url, rest));
    if (!dispatcher) throw new Error('the guard of the private network is missing; nothing was asked');
    return measure('outgoing', () => fetch(url, options));
  };
}
