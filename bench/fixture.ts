// What both sides of the bench know: people, one web app, two machines, two APIs.

export const password = 'wide meadow under seven lanterns';
/** Each loop of the load is a person of its own: nobody signs in thirty times at once, and waits for locks of their own. */
export const people = 200;
export const emailOf = (loop: number): string => `bench${loop % people}@example.com`;
/** Those who have an authenticator app. */
export const secondFactorPeople = 200;
export const secondFactorEmailOf = (loop: number): string => `second${loop % secondFactorPeople}@example.com`;

export const api = { jwt: 'https://notes.example.com', opaque: 'https://opaque.example.com' };

/** Ids and secrets; Gatehouse makes its own secrets, which the runner puts in here. */
export const machine = {
  jwt: { id: 'bench-jwt', secret: 'bench-secret-of-forty-characters-or-so-jwt', audience: api.jwt },
  opaque: { id: 'bench-opaque', secret: 'bench-secret-of-forty-characters-or-so-opq', audience: api.opaque },
};

export const apps = {
  web: {
    id: 'bench-web',
    secret: 'bench-secret-of-forty-characters-or-so-web',
    redirectUri: 'https://app.example.com/callback',
  },
};
