/**
 * The addresses that the platform asks, and nobody else: whether the process lives, whether it should get requests, and where
 * Pub/Sub pushes events. None ends in z: Cloud Run's front end keeps such paths for itself, and `/healthz` never arrives.
 * @see https://cloud.google.com/run/docs/known-issues
 */
export const paths = { live: '/health/live', ready: '/health/ready', events: '/internal/events' } as const
