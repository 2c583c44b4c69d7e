/**
 * Where a platform asks after a process: whether it lives, and whether it should get requests. No path ends in z: of those the front
 * end of Cloud Run keeps some to itself.
 * @see https://cloud.google.com/run/docs/known-issues
 */
export const healthPaths = { live: '/health/live', ready: '/health/ready' } as const
