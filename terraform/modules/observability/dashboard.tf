locals {
  in_deployment = "cluster=\"${var.name}\""
  named         = { for metric, of in local.metrics : metric => of.name }

  # Title, unit (UCUM) and question of each chart, in the order in which somebody asks them.
  charts = [
    {
      title = "Requests a second, by class and outcome", unit = "1/s"
      query = "sum by (namespace, perigee_load_class, perigee_outcome) (rate(${local.named["perigee.requests"]}{${local.in_deployment}}[1m]))"
    },
    {
      title = "Slowest hundredth, by class", unit = "s"
      query = "histogram_quantile(0.99, sum by (namespace, perigee_load_class, le) (rate(${local.named["http.server.request.duration"]}_bucket{${local.in_deployment}}[5m])))"
    },
    {
      title = "Faults a second, by code", unit = "1/s"
      query = "sum by (namespace, error_type) (rate(${local.named["http.server.request.duration"]}_count{${local.in_deployment},error_type!=\"\"}[1m]))"
    },
    {
      title = "Refused for want of room, by class", unit = "1/s"
      query = "sum by (namespace, perigee_load_class) (rate(${local.named["perigee.admission.refused"]}{${local.in_deployment}}[1m]))"
    },
    {
      title = "What the cores stand on", unit = "1"
      query = "min by (namespace, perigee_dependency) (${local.named["perigee.dependency.up"]}{${local.in_deployment}})"
    },
    {
      title = "Events that wait to be published", unit = "1"
      query = "max by (namespace) (${local.named["perigee.outbox.unpublished"]}{${local.in_deployment}})"
    },
    {
      title = "Age of the oldest of them", unit = "s"
      query = "max by (namespace) (${local.named["perigee.outbox.oldest.age"]}{${local.in_deployment}})"
    },
    {
      title = "From an event to its consumer, slowest hundredth", unit = "s"
      query = "histogram_quantile(0.99, sum by (namespace, perigee_consumer, le) (rate(${local.named["perigee.consumer.lag"]}_bucket{${local.in_deployment}}[5m])))"
    },
    {
      title = "Oldest message of each subscription", unit = "s"
      query = "max by (subscription_id) (pubsub_googleapis_com:subscription_oldest_unacked_message_age{monitored_resource=\"pubsub_subscription\",subscription_id=~\"${var.name}-.*\"})"
    },
    {
      title = "Dead letters that wait for somebody", unit = "1"
      query = "max by (namespace) (${local.named["perigee.dead_letters"]}{${local.in_deployment}})"
    },
    {
      title = "Transactions under way", unit = "1"
      query = "sum by (namespace, db_client_connection_pool_name) (${local.named["perigee.database.transactions"]}{${local.in_deployment}})"
    },
    {
      title = "How late the event loop is, slowest hundredth", unit = "s"
      query = "max by (namespace) (${local.named["perigee.event_loop.delay"]}{${local.in_deployment},perigee_statistic=\"p99\"})"
    },
    {
      title = "Instances", unit = "1"
      query = "sum by (service_name) (run_googleapis_com:container_instance_count{monitored_resource=\"cloud_run_revision\",service_name=~\"${var.name}-.*\"})"
    },
    {
      title = "CPU of the databases", unit = "1"
      query = "max by (database_id) (cloudsql_googleapis_com:database_cpu_utilization{monitored_resource=\"cloudsql_database\",database_id=~\"${var.project_id}:${var.name}-.*\"})"
    },
  ]
}

resource "google_monitoring_dashboard" "this" {
  project = var.project_id
  dashboard_json = jsonencode({
    displayName = var.name
    mosaicLayout = {
      columns = 48
      tiles = [
        for index, chart in local.charts : {
          xPos   = index % 2 * 24
          yPos   = floor(index / 2) * 16
          width  = 24
          height = 16
          widget = {
            title = chart.title
            xyChart = {
              dataSets = [{
                plotType        = "LINE"
                targetAxis      = "Y1"
                timeSeriesQuery = { prometheusQuery = chart.query, unitOverride = chart.unit }
              }]
              yAxis = { scale = "LINEAR" }
            }
          }
        }
      ]
    }
  })
}
