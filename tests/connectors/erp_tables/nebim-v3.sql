-- the columns of Nebim's tables and views that the preset reads, as SQLite can have them
CREATE TABLE trStock (
    ItemTypeCode tinyint, ItemCode nvarchar(30), ColorCode nvarchar(10), ItemDim1Code nvarchar(10),
    ItemDim2Code nvarchar(10), ItemDim3Code nvarchar(10), WarehouseCode nvarchar(10), In_Qty1 float,
    Out_Qty1 float, LastUpdatedDate datetime);
CREATE TABLE prItemBarcode (
    Barcode nvarchar(30), BarcodeTypeCode nvarchar(20), ItemTypeCode tinyint, ItemCode nvarchar(30),
    ColorCode nvarchar(10), ItemDim1Code nvarchar(10), ItemDim2Code nvarchar(10),
    ItemDim3Code nvarchar(10), Qty float);
CREATE TABLE PickingStates (
    ItemTypeCode tinyint, ItemCode nvarchar(30), ColorCode nvarchar(10), ItemDim1Code nvarchar(10),
    ItemDim2Code nvarchar(10), ItemDim3Code nvarchar(10), WarehouseCode nvarchar(10), Qty1 float);
CREATE TABLE ReserveStates AS SELECT * FROM PickingStates;
CREATE TABLE DispOrderStates AS SELECT * FROM PickingStates;
-- two barcodes of one variant, one of another type and one of a box of six: no row is multiplied
INSERT INTO prItemBarcode VALUES
    ('8690000000017', 'EAN13', 1, 'T1', 'RED', 'M', '', '', 1),
    ('8690000000024', 'EAN13', 1, 'T1', 'RED', 'M', '', '', 1),
    ('T1-RED-M', 'OWN', 1, 'T1', 'RED', 'M', '', '', 1),
    ('8690000000031', 'EAN13', 1, 'T1', 'RED', 'M', '', '', 6),
    ('8690000000048', 'EAN13', 2, 'T1', 'RED', 'M', '', '', 1);
INSERT INTO trStock VALUES
    (1, 'T1', 'RED', 'M', '', '', 'M1', 10, 0, '2026-11-05 10:00:00.000'),
    (1, 'T1', 'RED', 'M', '', '', 'M1', 0, 2, '2026-11-21 10:00:00.000'),
    (2, 'T1', 'RED', 'M', '', '', 'M1', 99, 0, '2026-11-05 10:00:00.000');
INSERT INTO PickingStates VALUES (1, 'T1', 'RED', 'M', '', '', 'M1', 1);
INSERT INTO ReserveStates VALUES (1, 'T1', 'RED', 'M', '', '', 'M1', 2);
INSERT INTO DispOrderStates VALUES (1, 'T1', 'RED', 'M', '', '', 'M1', 1);
