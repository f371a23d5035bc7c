-- the columns of Logo's tables that the preset reads, as SQLite can have them
CREATE TABLE LG_001_ITEMS (LOGICALREF int, CODE varchar(25), ACTIVE smallint);
CREATE TABLE LV_001_01_GNTOTST (STOCKREF int, INVENNO smallint, ONHAND float);
INSERT INTO LG_001_ITEMS VALUES (1, 'M-1', 0), (2, 'M-2', 1);
INSERT INTO LV_001_01_GNTOTST VALUES (1, -1, 8), (1, 0, 5), (1, 2, 3), (2, 0, 4);
