-- Columns as `SHOW CREATE TABLE` gave them on a database that api-server 2.3.0 had made; texts compare as in
-- latin1_swedish_ci, without case.
CREATE TABLE IF NOT EXISTS db_statuses (HaveSamplesLoaded INTEGER NOT NULL PRIMARY KEY);
CREATE TABLE IF NOT EXISTS default_experiments (DefaultExperimentId TEXT NOT NULL PRIMARY KEY);
CREATE TABLE IF NOT EXISTS experiments (
  UUID TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
  Name TEXT NOT NULL COLLATE NOCASE,
  Description TEXT NOT NULL,
  CreatedAtInSec INTEGER NOT NULL,
  Namespace TEXT NOT NULL COLLATE NOCASE,
  StorageState TEXT NOT NULL COLLATE NOCASE,
  UNIQUE (Name, Namespace)
);
CREATE TABLE IF NOT EXISTS pipelines (
  UUID TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
  CreatedAtInSec INTEGER NOT NULL,
  Name TEXT NOT NULL COLLATE NOCASE,
  Description TEXT NOT NULL,
  Parameters TEXT,
  Status TEXT NOT NULL COLLATE NOCASE,
  DefaultVersionId TEXT,
  Namespace TEXT COLLATE NOCASE,
  UNIQUE (Name, Namespace)
);
CREATE TABLE IF NOT EXISTS pipeline_versions (
  UUID TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
  CreatedAtInSec INTEGER NOT NULL,
  Name TEXT NOT NULL COLLATE NOCASE,
  Parameters TEXT NOT NULL,
  PipelineId TEXT NOT NULL COLLATE NOCASE REFERENCES pipelines (UUID) ON DELETE CASCADE ON UPDATE CASCADE,
  Status TEXT NOT NULL COLLATE NOCASE,
  CodeSourceUrl TEXT,
  Description TEXT,
  PipelineSpec TEXT NOT NULL,
  PipelineSpecURI TEXT NOT NULL,
  UNIQUE (Name, PipelineId)
);
CREATE TABLE IF NOT EXISTS run_details (
  UUID TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
  DisplayName TEXT NOT NULL COLLATE NOCASE,
  Name TEXT NOT NULL COLLATE NOCASE,
  Description TEXT NOT NULL,
  Namespace TEXT NOT NULL COLLATE NOCASE,
  ExperimentUUID TEXT NOT NULL COLLATE NOCASE,
  JobUUID TEXT,
  StorageState TEXT NOT NULL COLLATE NOCASE,
  ServiceAccount TEXT NOT NULL,
  PipelineId TEXT NOT NULL,
  PipelineVersionId TEXT,
  PipelineName TEXT NOT NULL,
  PipelineSpecManifest TEXT,
  WorkflowSpecManifest TEXT NOT NULL,
  Parameters TEXT,
  RuntimeParameters TEXT,
  PipelineRoot TEXT,
  CreatedAtInSec INTEGER NOT NULL,
  ScheduledAtInSec INTEGER DEFAULT 0,
  FinishedAtInSec INTEGER DEFAULT 0,
  Conditions TEXT NOT NULL COLLATE NOCASE,
  State TEXT COLLATE NOCASE,
  StateHistory TEXT,
  PipelineRuntimeManifest TEXT NOT NULL,
  WorkflowRuntimeManifest TEXT NOT NULL,
  PipelineContextId INTEGER DEFAULT 0,
  PipelineRunContextId INTEGER DEFAULT 0
);
CREATE TABLE IF NOT EXISTS jobs (
  UUID TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
  DisplayName TEXT NOT NULL COLLATE NOCASE,
  Name TEXT NOT NULL COLLATE NOCASE,
  Namespace TEXT NOT NULL COLLATE NOCASE,
  ServiceAccount TEXT NOT NULL,
  Description TEXT NOT NULL,
  MaxConcurrency INTEGER NOT NULL,
  NoCatchup INTEGER NOT NULL,
  CreatedAtInSec INTEGER NOT NULL,
  UpdatedAtInSec INTEGER DEFAULT 0,
  Enabled INTEGER NOT NULL,
  ExperimentUUID TEXT NOT NULL COLLATE NOCASE,
  CronScheduleStartTimeInSec INTEGER,
  CronScheduleEndTimeInSec INTEGER,
  Schedule TEXT,
  PeriodicScheduleStartTimeInSec INTEGER,
  PeriodicScheduleEndTimeInSec INTEGER,
  IntervalSecond INTEGER,
  PipelineId TEXT NOT NULL,
  PipelineVersionId TEXT,
  PipelineName TEXT NOT NULL,
  PipelineSpecManifest TEXT,
  WorkflowSpecManifest TEXT NOT NULL,
  Parameters TEXT,
  RuntimeParameters TEXT,
  PipelineRoot TEXT,
  Conditions TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS tasks (
  UUID TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
  Namespace TEXT NOT NULL,
  PipelineName TEXT NOT NULL,
  RunUUID TEXT NOT NULL COLLATE NOCASE REFERENCES run_details (UUID) ON DELETE CASCADE ON UPDATE CASCADE,
  PodName TEXT NOT NULL,
  MLMDExecutionID TEXT NOT NULL,
  CreatedTimestamp INTEGER NOT NULL,
  StartedTimestamp INTEGER DEFAULT 0,
  FinishedTimestamp INTEGER DEFAULT 0,
  Fingerprint TEXT NOT NULL,
  Name TEXT,
  ParentTaskUUID TEXT,
  State TEXT,
  StateHistory TEXT,
  MLMDInputs TEXT,
  MLMDOutputs TEXT,
  ChildrenPods TEXT,
  Payload TEXT
);
CREATE TABLE IF NOT EXISTS run_metrics (
  RunUUID TEXT NOT NULL COLLATE NOCASE REFERENCES run_details (UUID) ON DELETE CASCADE ON UPDATE CASCADE,
  NodeID TEXT NOT NULL,
  Name TEXT NOT NULL,
  NumberValue REAL,
  Format TEXT,
  Payload TEXT NOT NULL,
  PRIMARY KEY (RunUUID, NodeID, Name)
);
CREATE TABLE IF NOT EXISTS resource_references (
  ResourceUUID TEXT NOT NULL COLLATE NOCASE,
  ResourceType TEXT NOT NULL COLLATE NOCASE,
  ReferenceUUID TEXT NOT NULL COLLATE NOCASE,
  ReferenceName TEXT NOT NULL,
  ReferenceType TEXT NOT NULL COLLATE NOCASE,
  Relationship TEXT NOT NULL,
  Payload TEXT NOT NULL,
  PRIMARY KEY (ResourceUUID, ResourceType, ReferenceType)
);
INSERT OR IGNORE INTO db_statuses VALUES (1);
INSERT INTO default_experiments SELECT '' WHERE NOT EXISTS (SELECT 1 FROM default_experiments);
