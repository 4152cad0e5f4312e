// Outgoing HTTP of the engine (client key sets, sector identifiers, back-channel logout), with the private network closed
// unless a setting opens it.

export type OutgoingFetch = typeof fetch;

/**
 * The engine hands over a dispatcher that refuses private and loopback addresses after the name was resolved, so that a
 * name cannot be rebound between check and use. Opening the private network means leaving that dispatcher out.
 */
export function createOutgoingFetch(settings: { privateNetwork: 'refuse' | 'allow' }): OutgoingFetch {
  if (settings.privateNetwork === 'refuse') return fetch;
  return (url, options) => {
    const { dispatcher: _guard, ...rest }: RequestInit & { dispatcher?: unknown } = options ?? {};
    return fetch(url, rest);
  };
}
