-- the columns of ERPNext's tables that the preset reads, with the types that Frappe creates
CREATE TABLE `tabItem` (
    name varchar(140) NOT NULL PRIMARY KEY, modified datetime(6), disabled tinyint NOT NULL DEFAULT 0
) ENGINE=InnoDB;
CREATE TABLE `tabBin` (
    name varchar(140) NOT NULL PRIMARY KEY, modified datetime(6), item_code varchar(140),
    warehouse varchar(140), actual_qty decimal(21,9) NOT NULL DEFAULT 0,
    reserved_qty decimal(21,9) NOT NULL DEFAULT 0, projected_qty decimal(21,9) NOT NULL DEFAULT 0
) ENGINE=InnoDB;
INSERT INTO `tabItem` VALUES
    ('SKU-1', '2026-11-01 10:00:00', 0), ('SKU-2', '2026-11-01 10:00:00', 0),
    ('OLD', '2026-11-01 10:00:00', 1);
INSERT INTO `tabBin` VALUES
    ('b1', '2026-11-01 10:00:00.5', 'SKU-1', 'Stores - A', 10, 2.5, 500),
    ('b2', '2026-11-01 10:00:00.5', 'SKU-2', 'Stores - A', 0, 2, 0),
    ('b3', '2026-11-01 10:00:00.5', 'OLD', 'Stores - A', 9, 0, 9);
